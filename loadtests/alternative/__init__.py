"""What a user would build instead: the workflow of a question from FastAPI, LangGraph and a checkpointer on Redis."""
