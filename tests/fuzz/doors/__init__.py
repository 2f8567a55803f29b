"""One file a door: what comes in there as bytes, `seeds`, and what is done with it, `one`.

A door has:
    seeds() -> list[bytes]: what is whole, made by code.
    one(data): takes it as users' programs do. It may return, or raise an `ATVGError`; anything else is a finding.
    SECONDS: that one may take at most; on a busy machine too.
    EXAMPLES: how many mutations the quick test tries.
    ready() (only some): starts what stays for the next ones.
    NATIVE (only where it is in use run in a box): True, if a crash of its decoder harms nobody.
"""
