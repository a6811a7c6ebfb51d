"""The command ``fastblur``: obfuscating a whole data set of images, and showing that it is done.

Needs the extra ``fastblur[dataset]``. `fastblur.cli` is the way in; nothing here is a public Python API.
"""
