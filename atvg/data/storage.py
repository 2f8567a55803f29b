"""Where clips and packs lie: local paths as they are, and any other place that fsspec knows by its URL.

A local path stays a `pathlib.Path`. ``s3://bucket/clips``, ``gs://…``, ``memory://…`` become a `StoredPath`, which has
as much of `Path`'s interface as reading clips and packs takes. fsspec brings the protocols; the package behind one
(s3fs, gcsfs, …) is the user's to install, and takes credentials from where it always does.
"""

import contextlib
import io
import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, BinaryIO, Union

from atvg.errors import ATVGError, BadSettingError, OutputError, PackError
from atvg.scratch import is_full, remove_abandoned, under_way

HALF = ".half"  # ending of what is being written, or was when its process was killed
_FETCHED = "atvg-clip-"  # temporary folders of what OpenCV and ffmpeg must find as a file
_AT_ONCE = 32  # files asked for at the same time: a store answers late, but many

AnyPath = Union[Path, "StoredPath"]


class StoredPath:
    """A file or folder that is not on this machine.

    Attributes:
        url: what `as_path` makes the same of, in any process.

    Every store has exceptions of its own; here they become an `ATVGError` of one line.

    Raises:
        PackError: it cannot be read.
        OutputError: it cannot be written.
    """

    def __init__(self, url: str, fs: Any, path: str):
        self.url, self._fs, self._path = url, fs, path

    def __str__(self) -> str:
        return self.url

    def __reduce__(self) -> tuple:
        return as_path, (self.url,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredPath) and self.url == other.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __lt__(self, other: "StoredPath") -> bool:
        return PurePosixPath(self._path) < PurePosixPath(other._path)  # the order in which `Path`s are sorted

    def __truediv__(self, inside: str) -> "StoredPath":
        inside = PurePosixPath(inside).as_posix()
        url = self.url if self.url.endswith("/") else f"{self.url}/"
        return StoredPath(url + inside, self._fs, f"{self._path}/{inside}")

    @property
    def name(self) -> str:
        return PurePosixPath(self._path).name

    @property
    def suffix(self) -> str:
        return PurePosixPath(self._path).suffix

    @property
    def parent(self) -> "StoredPath":
        """The folder it is in; that of a bucket is the bucket itself."""
        above, _, name = self._path.rpartition("/")
        return StoredPath(self.url.removesuffix(f"/{name}"), self._fs, above) if above else self

    def relative_to(self, folder: "StoredPath") -> PurePosixPath:
        """Its path inside a folder."""
        return PurePosixPath(self._path.removeprefix(folder._path).lstrip("/"))

    def absolute(self) -> "StoredPath":
        """Itself: a store has no working folder."""
        return self

    def resolve(self) -> "StoredPath":
        """Itself: nor has it links."""
        return self

    def is_file(self) -> bool:
        return self._kind() == "file"

    def is_dir(self) -> bool:
        return self._kind() == "directory"

    def exists(self) -> bool:
        return self._kind() is not None

    def _kind(self) -> str | None:
        with self._told(PackError, "read"):
            try:
                return self._fs.info(self._path)["type"]
            except (FileNotFoundError, NotADirectoryError):
                return None

    def files(self) -> list["StoredPath"]:
        """All files in it and in its folders: one listing, however many folders there are."""
        with self._told(PackError, "listed"):
            self._fs.invalidate_cache()  # others may have written since
            found = [path.removeprefix(self._path).lstrip("/") for path in self._fs.find(self._path)]
        return [self / inside for inside in found]

    def names(self) -> set[str]:
        """The names of the files right in it."""
        with self._told(PackError, "listed"):
            self._fs.invalidate_cache()
            found = self._fs.ls(self._path, detail=True)
        return {PurePosixPath(entry["name"]).name for entry in found if entry["type"] == "file"}

    def read_bytes(self) -> bytes:
        with self._told(PackError, "read"):
            return self._fs.cat_file(self._path)

    def fetch(self, copy: Path) -> None:
        """Copies it to a local file.

        Raises:
            OSError: there is no space left for the copy.
        """
        with self._told(PackError, "read"):
            self._fs.get_file(self._path, str(copy))

    def write_bytes(self, data: bytes) -> None:
        """To an object store that is one request: the object is there whole or not at all."""
        with self._told(OutputError, "written"):
            self._fs.pipe_file(self._path, data)

    def make_folder(self) -> None:
        """Makes it, not what it is to lie in: of a mistyped bucket fsspec would make a new one."""
        if not self.is_dir():
            with self._told(OutputError, "made"):
                self._fs.mkdir(self._path, create_parents=False)

    def unlink(self) -> None:
        with self._told(OutputError, "removed"):
            self._fs.rm_file(self._path)

    def remove_tree(self) -> None:
        with self._told(OutputError, "removed"):
            self._fs.rm(self._path, recursive=True)

    @contextlib.contextmanager
    def _told(self, kind: type[ATVGError], verb: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if is_full(error):
                raise
            place = re.sub("//[^/@]*@", "//", self.url)  # without a password
            reason = "not there" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
            raise kind(f"{place} cannot be {verb} ({reason}); check address, credentials and network") from None


def as_path(place: str | os.PathLike | StoredPath) -> AnyPath:
    """A path, a ``file://`` URL or any other that fsspec knows → where that is.

    Raises:
        BadSettingError: no such protocol, the package for it is not installed, or the URL makes no sense to it.
    """
    if isinstance(place, StoredPath):
        return place
    url = os.fspath(place)
    if "://" not in url:
        return Path(url)
    if url.count("://") > 1:
        raise BadSettingError(f"{url} is one place inside another; unpack it and give the URL of the folder")
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    try:
        fs, path = url_to_fs(url)
    except ImportError as error:
        raise BadSettingError(f"{url} needs a package that is not installed ({error}); install it with pip") from None
    except Exception as error:  # of every protocol's own kinds
        raise BadSettingError(f"{url} is no place that can be reached ({error}); check the URL") from None
    if isinstance(fs, LocalFileSystem):
        return Path(path)
    return StoredPath(url if url.endswith("://") else url.rstrip("/"), fs, path.rstrip("/"))


def files(folder: AnyPath) -> Iterable[AnyPath]:
    """Everything that a folder and the folders in it hold."""
    return folder.files() if isinstance(folder, StoredPath) else folder.rglob("*")


def inside(path: AnyPath, folder: AnyPath) -> PurePath:
    """The path in a folder of something in it, so that both are on this machine, or in one store."""
    if isinstance(path, StoredPath):
        assert isinstance(folder, StoredPath)
        return path.relative_to(folder)
    assert isinstance(folder, Path)
    return path.relative_to(folder)


def names(folder: AnyPath) -> set[str]:
    """The names of what lies right in a folder."""
    return folder.names() if isinstance(folder, StoredPath) else set(os.listdir(folder))


def make_folder(folder: AnyPath) -> None:
    """Makes a folder if it is not there, of local ones also all above it."""
    if isinstance(folder, StoredPath):
        folder.make_folder()
    else:
        folder.mkdir(parents=True, exist_ok=True)


def remove_tree(folder: AnyPath) -> None:
    """Deletes a folder and all it holds."""
    if isinstance(folder, StoredPath):
        folder.remove_tree()
    else:
        shutil.rmtree(folder)


def read_all(paths: Iterable[AnyPath]) -> Iterator[bytes]:
    """What the files hold, in order; the next ones are read meanwhile."""
    waiting: deque = deque()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for path in paths:
            waiting.append(pool.submit(path.read_bytes))
            if len(waiting) == _AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def opened(path: AnyPath) -> BinaryIO:
    """A file to read anywhere in; a stored one is fetched into memory."""
    return io.BytesIO(path.read_bytes()) if isinstance(path, StoredPath) else path.open("rb")


@contextlib.contextmanager
def whole(path: AnyPath) -> Iterator[BinaryIO]:
    """A file to write, and to read anywhere in, that gets its name when the block has ended: whole or not at all.

    Raises:
        OSError, OutputError: it cannot be written.
    """
    if isinstance(path, StoredPath):
        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            path.write_bytes(file.read())
        return
    half = path.with_suffix(HALF)
    try:
        with half.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # whoever finds the name trusts it, even after a power cut
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


@contextlib.contextmanager
def local_copy(place: str | AnyPath) -> Iterator[Path]:
    """A file as one of this machine, for libraries that know no other: itself, or a copy while the block runs.

    Raises:
        PackError: it cannot be fetched.
        OSError: there is no space left for it.
    """
    path = as_path(place)
    if isinstance(path, Path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix=_FETCHED) as folder, under_way(folder):
        copy = Path(folder) / path.name
        path.fetch(copy)
        yield copy


def remove_abandoned_copies() -> None:
    """Deletes the copies of processes that were killed while they had some."""
    remove_abandoned(tempfile.gettempdir(), f"{_FETCHED}*")
