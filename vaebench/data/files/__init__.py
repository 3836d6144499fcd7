"""Files of tables and matrices: opening, parsing and writing them."""
