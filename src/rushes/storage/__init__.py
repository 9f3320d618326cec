"""Workspaces that are elsewhere: remote is the truth, a local folder its cache.

The local half is imported here; what needs fsspec (:mod:`rushes.storage.remote`, ``mirror``, ``lock``) is
imported when a URL is opened.
"""

from rushes.storage.home import Home
from rushes.storage.workspace import RemoteWorkspace, Workspace, open_workspace

__all__ = ["Home", "RemoteWorkspace", "Workspace", "open_workspace"]
