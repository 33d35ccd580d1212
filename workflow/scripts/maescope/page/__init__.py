"""From numbers, figures and tables to the study page."""
