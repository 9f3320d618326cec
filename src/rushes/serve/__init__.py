"""The doors of a run over HTTP: what is bounded, who may come in, and what is said.

    request ─► gate ─► uploads ─► children (decode) ─► lane (the model) ─► answer

It knows doors and no task.
"""
