"""The WebSocket: one connection object that knows neither server nor framework, and the drivers that feed it."""
