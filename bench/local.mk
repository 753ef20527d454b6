# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += bench/README.md bench/agent bench/load bench/restart bench/sink.py bench/tidy.py
EXTRA_DIST += bench/board bench/flask-board/app.py bench/flask-board/requirements.txt
EXTRA_DIST += bench/stress
EXTRA_DIST += bench/board-dynamodb bench/board_parts.py bench/local_dynamodb.py
EXTRA_DIST += bench/flask-board/dynamodb.py bench/flask-board/requirements-dynamodb.txt
