"""What each command does, a module a command: `hub.cli` imports the one that is called, and with it what that needs."""
