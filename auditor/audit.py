"""One audit: from the checkpoint that is served now to the state that is kept."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from auditor import checkpoint as notes
from auditor import state as states
from auditor.checkpoint import Checkpoint
from auditor.errors import FaultError, NotServedError, WrongEntryError
from auditor.fetch import Source, read_entries
from auditor.keys import SigningKey, VerifyingKey
from auditor.merkle import leaf_hash
from auditor.state import State
from auditor.tiles import TileTree

CHECKPOINT_SUFFIX = ".checkpoint"
EVIDENCE_SUFFIX = ".evidence"


@dataclass
class Auditor:
    """Audits one log again and again; what it keeps in memory is what the state file has."""

    source: Source
    vkey: VerifyingKey
    path: Path
    signing_key: SigningKey | None
    clock: Callable[[], float]
    _state: State = field(init=False)

    def __post_init__(self) -> None:
        """Begin where the last run ended."""
        self._resume()

    def run(self) -> str:
        """Audit what is served now; returns a sentence about it, or raises `AuditError`."""
        note = self._note()
        kept = self._state.checkpoint
        try:
            checkpoint = notes.read(note, self.vkey)
            notes.check_time(checkpoint, self.clock())
            if kept is not None:
                self._compare(kept, checkpoint)
            self._replay(checkpoint)
        except FaultError as fault:
            self._keep_evidence(note, fault)
            raise
        except NotServedError:
            self._resume()
            raise
        if kept is None or checkpoint.size != kept.size:
            states.save(self.path, str(self.vkey), checkpoint, self._state.replay)
        self._state = State(checkpoint, self._state.replay)
        if self.signing_key is not None:
            signed = notes.cosign(checkpoint, self.signing_key, self.clock())
            states.write(self.path.with_name(self.path.name + CHECKPOINT_SUFFIX), signed.encode())
        new = checkpoint.size - (kept.size if kept else 0)
        return f"{checkpoint.origin} is in order: {checkpoint.size:,} entries, {new:,} of them new."

    def _resume(self) -> None:
        self._state = states.load(self.path, str(self.vkey))

    def _note(self) -> str:
        data = self.source.read("checkpoint")
        if data is None:
            raise NotServedError("There is no checkpoint at this address; it ends with /log where the server has one.")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise NotServedError("The checkpoint is no text in UTF-8.") from error

    def _compare(self, kept: Checkpoint, checkpoint: Checkpoint) -> None:
        """Hold a checkpoint to the kept one: the same tree, or one that grew from it."""
        if checkpoint.size < kept.size:
            raise FaultError(f"The log shrank: it had {kept.size:,} entries, now {checkpoint.size:,}.")
        if checkpoint.size == kept.size:
            is_same = checkpoint.root == kept.root
        else:
            is_same = TileTree(self.source, checkpoint.size, checkpoint.root).root(kept.size) == kept.root
        if not is_same:
            raise FaultError(f"The log forked: its first {kept.size:,} entries are not those that it signed before.")

    def _replay(self, checkpoint: Checkpoint) -> None:
        """Replay the entries since the last run, and hold them to the root."""
        replay = self._state.replay
        start = replay.size
        for entry in read_entries(self.source, start, checkpoint.size):
            try:
                replay.append(entry)
            except WrongEntryError as wrong:
                raise FaultError(f"{wrong} {self._whose(checkpoint, wrong.number, entry)}") from wrong
        if replay.merkle.root != checkpoint.root:
            self._name_foreign_entry(checkpoint, start)

    def _whose(self, checkpoint: Checkpoint, number: int, entry: bytes) -> str:
        """Say whether the log signed a wrong entry."""
        try:
            is_signed = TileTree(self.source, checkpoint.size, checkpoint.root).leaf(number) == leaf_hash(entry)
        except (FaultError, NotServedError) as error:
            return f"Whether the log signed it is not known: {error}"
        if is_signed:
            return "The log signed it."
        return "It is not the entry that the log signed: what is served was changed."

    def _name_foreign_entry(self, checkpoint: Checkpoint, start: int) -> None:
        """Find the first entry that follows from those before, and is not in the tree of the checkpoint."""
        tree = TileTree(self.source, checkpoint.size, checkpoint.root)
        for number, entry in enumerate(read_entries(self.source, start, checkpoint.size), start):
            if tree.leaf(number) != leaf_hash(entry):
                raise FaultError(f"Entry {number:,} as it is served is not the one in the tree that the log signed.")
        raise FaultError("The entries do not give the root of the checkpoint.")

    def _keep_evidence(self, note: str, fault: FaultError) -> None:
        """Write down what was signed before and what is signed now, beside the state."""
        kept = self._state.checkpoint
        parts = [str(fault), note, kept.note if kept else "No checkpoint was kept before.\n"]
        states.write(self.path.with_name(self.path.name + EVIDENCE_SUFFIX), "\n".join(parts).encode())
