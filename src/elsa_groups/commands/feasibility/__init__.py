"""Say what drawing would take, before any group is drawn."""
