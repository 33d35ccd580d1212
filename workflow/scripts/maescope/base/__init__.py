"""What every room needs and no other knows of: files written whole, logs, seeds, statistics, records of origin."""
