#!/usr/bin/env python3
"""Writes a long, made-up history for `git fast-import`, to see how a measure grows with it.

The same arguments give the same hashes. Of every five commits one goes directly to the mainline,
three to a branch, and the fifth merges that branch. Deployments are tags, spread evenly along the
mainline; there may be more of them than places on it.

    git init --bare --initial-branch main big
    scripts/make_history.py --commits 200000 --deployments 13000 | git -C big fast-import
    git -C big pack-refs --all && git -C big repack -adfq
"""

import argparse
import sys

START = 1_262_304_000  # 2010-01-01T00:00:00Z
STEP = 200  # seconds from commit to commit: 2 million of them end in 2022
WORK_MAX = 5 * 86_400  # seconds that a commit may lie before it is committed
BLOCK = 5


class Random:
    """The numbers of Knuth's MMIX: the same in every version of Python."""

    def __init__(self):
        self.state = 1

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % limit


class Writer:
    def __init__(self, out, files):
        self.out = out
        self.files = files
        self.random = Random()

    def commit(self, mark, parents):
        """One commit; it is made on a branch that is moved to the mainline at the end."""
        committed = START + mark * STEP
        authored = committed - self.random.below(WORK_MAX)
        message = f"{'Merge work before' if len(parents) > 1 else 'Change'} {mark}\n"
        lines = [
            "commit refs/heads/building",
            f"mark :{mark}",
            f"author A. Uthor <author{mark % 97}@example.com> {authored} +0000",
            f"committer C. Ommitter <committer@example.com> {committed} +0000",
            f"data {len(message)}",
            message,
        ]
        for word, parent in zip(["from", "merge"], parents):
            lines.append(f"{word} :{parent}")
        if self.files and len(parents) < 2:
            lines.extend(self.changed_file(mark))
        self.out.write("\n".join(lines) + "\n")

    def changed_file(self, mark):
        """Another text in one of the files: some lines of it stay, some are new."""
        number = self.random.below(self.files)
        text = "".join(f"line {line} of {mark // (line + 1)}\n" for line in range(20))
        path = f"part{number % 31}/file{number}.txt"
        return [f"M 100644 inline {path}", f"data {len(text)}", text]

    def reference(self, name, mark):
        self.out.write(f"reset {name}\nfrom :{mark}\n\n")

    def forget_branch(self):
        self.out.write(f"reset refs/heads/building\nfrom {'0' * 40}\n\n")

    def annotated_tag(self, name, mark):
        tagged = START + mark * STEP + 60
        self.out.write(
            f"tag {name}\nfrom :{mark}\n"
            f"tagger R. Elease <release@example.com> {tagged} +0000\n"
            f"data {len(name)}\n{name}\n"
        )


def history(writer, commits):
    """Writes the commits and returns the marks of the mainline, oldest first."""
    mainline = []
    last = None
    for mark in range(1, commits + 1):
        place = (mark - 1) % BLOCK
        if place == BLOCK - 1:
            writer.commit(mark, [mainline[-1], last])
        else:
            writer.commit(mark, [last] if last else [])
        if place in (0, BLOCK - 1):
            mainline.append(mark)
        last = mark
    return mainline


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commits", type=int, required=True, help="how many, merges included")
    parser.add_argument("--deployments", type=int, default=1000, help="how many release tags")
    parser.add_argument("--annotated", action="store_true", help="tags with a tagger")
    parser.add_argument("--files", type=int, default=0, help="0: empty trees, nothing to size")
    arguments = parser.parse_args()
    if arguments.commits < 1 or arguments.deployments < 0 or arguments.files < 0:
        parser.error("--commits must be at least 1, and nothing below 0")

    writer = Writer(sys.stdout, arguments.files)
    mainline = history(writer, arguments.commits)
    writer.reference("refs/heads/main", mainline[-1])
    for number in range(1, arguments.deployments + 1):
        place = number * len(mainline) // arguments.deployments
        mark = mainline[max(place - 1, 0)]
        if arguments.annotated:
            writer.annotated_tag(f"v{number}.0", mark)
        else:
            writer.reference(f"refs/tags/v{number}.0", mark)
    writer.forget_branch()
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main()
