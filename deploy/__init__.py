"""What the system needs to know of the application: units, rules, manuals, completion, and their installation."""
