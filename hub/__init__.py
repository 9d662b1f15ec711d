"""Live sessions: scheduled, booked and seen live, with attendance that can be proved."""
