# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers for tests: each starts in a folder of its own, ends with the test process, and leaves nothing."""
