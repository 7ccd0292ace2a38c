"""Streams: lines of JSON in, lines of JSON out, in order, while the body still arrives.

``chunks`` is the body as it arrives, ``lines`` splits it and reads each line, ``exchange`` answers lines in groups,
``routes`` is the wire format.
"""
