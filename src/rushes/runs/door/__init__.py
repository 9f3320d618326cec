"""How a trained model is asked from outside: doors, which a service opens and `rushes.testing` checks.

    files ─► decode (a process of its own, no model) ─► samples ─► answer (in batches) ─► reply ─► JSON

A door is one way of asking: ``predict``, ``analyze`` or ``search``. It does with what came in from outside what
preparation and prediction do with a dataset, by the same code and with the preprocessing that is stored with
the weights, so that both give the same answers.
"""
