"""Those who do the work (generator, evaluator, retriever) and the clients they do it with."""
