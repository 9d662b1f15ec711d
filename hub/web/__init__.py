"""REST, thin: forms in, views out, refusals as RFC 9457 problems."""
