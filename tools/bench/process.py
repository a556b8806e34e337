"""Measurements in fresh interpreters, so that the peak memory of each is its own. No torch in this module."""

import multiprocessing
import resource
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

MIB = 1024.0  # KiB, the unit of ru_maxrss on Linux


class MissingPackage(Exception):
    """A package that a measurement needs is not installed."""


class Process:
    """An interpreter that builds `module:name` (called with `arguments`) and calls the result when asked."""

    def __init__(self, target: str, *arguments: Any):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, target, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self.about = self._answer()

    def __call__(self, *arguments: Any) -> Any:
        """Call the target and return its answer; an error there is raised here."""
        self._pipe.send(arguments)
        return self._answer()

    def close(self) -> float:
        """End the process; return its peak memory (MiB)."""
        self._pipe.send(None)
        peak = self._answer()
        self._process.join()
        return peak

    def _answer(self) -> Any:
        try:
            good, answer = self._pipe.recv()
        except EOFError:
            self._process.join()
            status = self._process.exitcode
            reason = "is memory short?" if status == -9 else "its message is above"
            raise SystemExit(f"a measuring process ended with status {status}; {reason}") from None
        if not good:
            raise answer if isinstance(answer, MissingPackage) else SystemExit(answer)
        return answer


def alone(target: str, *arguments: Any) -> tuple[Any, float]:
    """Return the result of `module:name`, and the peak memory (MiB) of a process that runs nothing else."""
    process = Process("process:nothing", target)
    return process(*arguments), process.close()


def nothing(target: str) -> Any:
    """Return the function itself, for `alone`."""
    return _named(target)


def _named(target: str) -> Any:
    module, name = target.split(":")
    return getattr(import_module(module), name)


def _serve(pipe: Connection, target: str, arguments: tuple) -> None:
    from vqspeech.devices import keep_freed_memory

    keep_freed_memory()  # as the command line does; the naive network gets the same
    try:
        served = _named(target)(*arguments)
        pipe.send((True, getattr(served, "about", None)))
        while (call := pipe.recv()) is not None:
            pipe.send((True, served(*call)))
        pipe.send((True, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB))
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0].replace("_", "-")
        fix = f"pip install -c constraints.txt {package}"
        pipe.send((False, MissingPackage(f"{package} is not installed; get it with: {fix}")))
    except Exception:  # noqa: BLE001 -- sent to the parent, whatever it is
        import traceback

        pipe.send((False, traceback.format_exc()))
