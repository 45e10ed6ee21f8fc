"""`sendmail` and `mailq`, for programs that call them: letters enter the queue without SMTP (option by option)."""

from __future__ import annotations
