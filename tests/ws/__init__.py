"""The socket: who may open it, what is said on it, and how it ends; through each of its drivers."""
