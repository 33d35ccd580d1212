"""From measures to tables: one module per table, numbers in, numbers out, and how they are printed."""
