#!/usr/bin/env python3
"""lint.py cert|crl FILE... | pair ISSUER SUBJECT... : lints many files in one process, since each start costs a third of a
second. Prints a line `FILE SEVERITY CODE` for each finding of WARNING and above, in the order of the files; of a pair the
file is the subject. A file that pkilint cannot read ends it with 2."""
import contextlib
import io
import json
import sys

from pkilint.bin import lint_crl, lint_pkix_cert, lint_pkix_signer_signee_cert_chain

FLAGS = ["lint", "-s", "WARNING", "-f", "JSON"]


def lint(program, arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        count = program.main(FLAGS + arguments)
    if not out.getvalue():
        sys.exit(2)
    found = [d for result in json.loads(out.getvalue())["results"] for d in result["finding_descriptions"]]
    assert len(found) == count, "the exit code is the number of findings"
    for finding in found:
        print(arguments[-1], finding["severity"], finding["code"])


mode, files = sys.argv[1], sys.argv[2:]
if mode == "cert":
    for file in files:
        lint(lint_pkix_cert, [file])
elif mode == "crl":
    for file in files:
        lint(lint_crl, ["-t", "CRL", "-p", "PKIX", file])
elif mode == "pair":
    for issuer, subject in zip(files[::2], files[1::2], strict=True):
        lint(lint_pkix_signer_signee_cert_chain, [issuer, subject])
else:
    sys.exit(__doc__)
