"""Open Inference Protocol (KServe V2) over HTTP: tensors of texts in, tensors of scores and labels out.

``binary`` writes and reads texts as bytes, ``request`` makes texts of a body, ``outputs`` makes tensors of
predictions, ``response`` makes the body of them, ``routes`` is the wire format.
"""
