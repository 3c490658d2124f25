"""What is sent and must never be seen again."""
import os

from harness import DaemonCase


class CanaryCase(DaemonCase):
    """No file that the daemon wrote holds a canary: not the event log, not its messages."""

    canaries = ()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.check_logs()  # its directory stands until the class cleanups

    @classmethod
    def check_logs(cls):
        checked = []
        for folder, _, names in os.walk(cls.daemon.home):
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    text = file.read().lower()
                checked.append(name)
                for canary in cls.canaries:
                    assert canary.encode() not in text, f"{canary} stands in {path}"
        assert any(name.endswith(".jsonl") for name in checked) and "stderr.log" in checked, checked

    def assert_untold(self, answer, what=None):
        """Nothing of what was sent comes back, in the body or in a header."""
        told = answer.body.lower() + str(answer.headers).lower().encode()
        for canary in self.canaries:
            self.assertNotIn(canary.encode(), told, what)
