"""From measures to tables: one module a table, numbers in, numbers out, and how they are printed."""
