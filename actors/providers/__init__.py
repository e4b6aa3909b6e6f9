"""Language models on the wire: the port that the policies stack on, and an adapter for each provider."""
