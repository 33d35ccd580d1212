"""From tokens to tidy numbers: one module per measure, arrays in, arrays out."""
