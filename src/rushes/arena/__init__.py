"""Two systems, one question at a time, and a person who does not know which is which.

A study is a folder::

    study.json          the pairs of lists, under names that mean nothing; never changes
    key.json            whose list is whose; nothing that serves raters opens it
    pictures/           JPEGs of items, under names that mean nothing
    votes-NAME.jsonl    what a rater did, a line each, on disk before the page goes on
    closed.json         written once; before it there is no result

Data flows ``draw -> study -> ballot <- server | terminal``, then ``ballot + key -> result``.
"""
