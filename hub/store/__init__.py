"""Every SQL statement of the hub, and the border where driver errors end."""
