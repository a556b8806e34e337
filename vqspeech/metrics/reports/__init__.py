"""Reports: scores files, tables, pictures, pages and model cards, made of the figures of evaluations."""
