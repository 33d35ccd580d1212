"""From tokens to tidy numbers: one module a measure, arrays in, arrays out."""
