"""Search for keys by client ID or fingerprint."""

import re

from django.db.models import Q, QuerySet

from pkd.models import PublicKey


def matching(keys: QuerySet[PublicKey], term: str) -> QuerySet[PublicKey]:
    """Keep keys with `term` in their client ID, or at the beginning of their fingerprint, as people copy that."""
    match = Q(client_id__icontains=term.strip())
    prefix = re.sub(r"[\s:]", "", term).lower()
    if re.fullmatch(r"[0-9a-f]+", prefix):
        match |= Q(fingerprint__startswith=prefix)
    return keys.filter(match)
