"""The paper venue: real orders against a book in the database, filled at the alert's price or a feed's."""
