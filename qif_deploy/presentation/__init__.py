"""Tables for people, one file per verb. Everything shown was computed elsewhere."""
