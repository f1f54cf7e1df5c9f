"""A web page on this machine: show an object, search pictures for it.

Stands above ``apis`` and ``results``; nothing imports it but ``tools/page.py``.
"""
