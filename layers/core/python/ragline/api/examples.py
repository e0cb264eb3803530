"""The examples in the OpenAPI document. A test validates each against its model."""

from __future__ import annotations

from typing import Any

Example = dict[str, Any]

_ID = "01JD4Z8Q3V5W7X9Y1A2B3C4D5E"
_SUM = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_TYPE = "application/pdf"
_TIME = "2026-01-31T12:00:00.000Z"

REGISTER: Example = {
    "filename": "annual-report.pdf",
    "size": 482_133,
    "content_type": _TYPE,
    "collection": "reports",
    "metadata": {"year": 2025, "region": "emea"},
    "checksum": _SUM,
}
REGISTERED: Example = {
    "document_id": _ID,
    "job_id": _ID,
    "status": "awaiting_upload",
    "duplicate": False,
    "upload": {
        "method": "PUT",
        "url": "https://bucket.s3.amazonaws.com/uploads/…?X-Amz-Signature=…",
        "headers": {"content-type": _TYPE, "content-length": "482133"},
        "expires_in": 3_600,
    },
}
MULTIPART: Example = {
    "method": "MULTIPART",
    "upload_id": "VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA",
    "part_size": 8_388_608,
    "parts": 20,
    "expires_in": 172_800,
}
PARTS: Example = {
    "upload_id": MULTIPART["upload_id"],
    "parts": [{"number": 1, "checksum": _SUM}],
}
PART_TARGETS: Example = {
    "document_id": _ID,
    "upload_id": MULTIPART["upload_id"],
    "parts": [
        {
            "number": 1,
            "size": 8_388_608,
            "url": "https://bucket.s3.amazonaws.com/uploads/…?partNumber=1&X-Amz-Signature=…",
            "headers": {"Content-Length": "8388608", "x-amz-checksum-sha256": "n4bQgYhMfWU="},
        }
    ],
    "expires_in": 3_600,
}
ARRIVED: Example = {
    "document_id": _ID,
    "upload_id": MULTIPART["upload_id"],
    "size": 160_000_000,
    "part_size": 8_388_608,
    "parts": 20,
    "arrived": [{"number": 1, "size": 8_388_608, "checksum": _SUM}],
}
COMPLETE: Example = {"upload_id": MULTIPART["upload_id"]}
DUPLICATE: Example = {
    "document_id": _ID,
    "job_id": _ID,
    "status": "indexed",
    "duplicate": True,
    "upload": None,
}
UPLOAD: Example = {
    "file": "(the file's bytes)",
    "collection": "reports",
    "metadata": '{"year": 2025, "region": "emea"}',
}
ACCEPTED: Example = {"job_id": _ID, "document_id": _ID, "status": "accepted"}
DOCUMENT: Example = {
    "document_id": _ID,
    "job_id": _ID,
    "collection": "reports",
    "filename": "annual-report.pdf",
    "content_type": _TYPE,
    "size": 482_133,
    "checksum": _SUM,
    "metadata": {"year": 2025, "region": "emea"},
    "parent": None,
    "parent_filename": None,
    "path_in_parent": None,
    "children": 0,
    "status": "processing",
    "progress": {
        "percent": "45%",
        "pages_total": 40,
        "pages_done": 40,
        "pages": {"text": 36, "ocr": 1, "image": 1, "blank": 2, "failed": 0},
        "coverage": 0.9736,
        "chunks_total": 100,
        "embedded": 30,
        "indexed": 30,
        "failed": 0,
    },
    "generation": 1,
    "live_generation": 0,
    "reason": None,
    "advice": None,
    "timings": {"split": "2026-01-31T12:00:04.000Z"},
    "trace_id": "1-679cc2a1-0123456789abcdef01234567",
    "created_at": _TIME,
    "updated_at": "2026-01-31T12:00:09.000Z",
}
DOCUMENTS: Example = {"documents": [DOCUMENT], "cursor": None}
CHUNKS: Example = {
    "document_id": _ID,
    "generation": 1,
    "chunks": [
        {
            "chunk_id": f"{_ID}:1:0",
            "ordinal": 0,
            "text": "Revenue grew by 12 % to 4.1 billion euros.",
            "tokens": 13,
            "page": 3,
            "page_end": 3,
            "headings": ["Results", "Revenue"],
            "span": {"start": 1_024, "end": 1_066},
        }
    ],
    "cursor": "MToxNg",
}
FAILURES: Example = {
    "document_id": _ID,
    "failures": [
        {
            "generation": 1,
            "reason": {
                "code": "embedding_failed",
                "message": "The model gave no finite vector for this text.",
                "stage": "embed",
                "page": 7,
                "chunk": 21,
            },
            "attempts": 1,
            "first": _TIME,
            "last": _TIME,
        }
    ],
    "failed_chunks": [{"first": 21, "count": 1, "code": "embedding_failed"}],
    "failed_chunks_cut": False,
}
ANALYSIS_BODY: Example = {
    "prompt": "Which figures are on this page, and what do their axes show?",
    "pages": [3, 7],
    "max_cost": 0.05,
}
ANALYSIS_ACCEPTED: Example = {
    "analysis_id": "01JD4ZAW9X8V7T6S5R4Q3P2N1M",
    "document_id": _ID,
    "status": "queued",
}
ANALYSIS: Example = {
    **ANALYSIS_ACCEPTED,
    "generation": 1,
    "status": "analysing",
    "progress": "1 of 2 pages",
    "prompt": ANALYSIS_BODY["prompt"],
    "model": "amazon.nova-lite-v1:0",
    "pages": [3, 7],
    "pages_total": 2,
    "pages_done": 1,
    "pages_failed": 0,
    "tokens": {"input": 1_702, "output": 58},
    "cost": 0.000116,
    "max_cost": 0.05,
    "reason": None,
    "advice": None,
    "created_at": _TIME,
    "updated_at": "2026-01-31T12:00:09.000Z",
    "trace_id": "1-679cc2a1-0123456789abcdef01234567",
}
ANALYSES: Example = {"analyses": [ANALYSIS], "cursor": None}
ANALYSIS_DETAIL: Example = {
    **ANALYSIS,
    "answers": [
        {
            "page": 3,
            "answer": "One bar chart: revenue in billion euros, by year from 2021 to 2025.",
            "truncated": False,
            "reason": None,
            "tokens": {"input": 1_702, "output": 58},
            "cost": 0.000116,
        }
    ],
}
RETRY: Example = {"code": "throttled", "force": False}
RETRIED: Example = {
    "document_id": _ID,
    "status": "processing",
    "chunks": 12,
    "split_again": False,
}
REDRIVE: Example = {
    "collection": "reports",
    "code": "throttled",
    "since": "2026-01-31T00:00:00Z",
    "dry_run": False,
    "limit": 20,
}
REDRIVEN: Example = {
    "documents": [
        {
            "document_id": _ID,
            "collection": "reports",
            "filename": "annual-report.pdf",
            "status": "processing",
            "chunks": 12,
            "split_again": False,
            "skipped": None,
        },
        {
            "document_id": "01JD4Z9B7C8D9E0F1G2H3J4K5M",
            "collection": "reports",
            "filename": "scan.pdf",
            "status": "failed",
            "chunks": 0,
            "split_again": False,
            "skipped": "document '01JD4Z9B7C8D9E0F1G2H3J4K5M': nothing failed with 'throttled', "
            "but: corrupt (1).",
        },
    ],
    "cursor": None,
}
QUERY: Example = {
    "question": "How much did revenue grow?",
    "collection": "reports",
    "top_k": 5,
    "mode": "hybrid",
    "filters": {"metadata": {"year": 2025}, "page": {"from": 1, "to": 20}},
    "explain": True,
}
ANSWER: Example = {
    "hits": [
        {
            "rank": 1,
            "score": 0.032,
            "text": "Revenue grew by 12 % to 4.1 billion euros.",
            "document_id": _ID,
            "chunk_id": f"{_ID}:1:0",
            "ordinal": 0,
            "filename": "annual-report.pdf",
            "page": 3,
            "page_end": 3,
            "headings": ["Results", "Revenue"],
            "span": {"start": 1_024, "end": 1_066},
            "metadata": {"year": 2025, "region": "emea"},
            "snippet": {
                "text": "Revenue grew by 12 % to 4.1 billion euros.",
                "start": 0,
                "end": 42,
                "highlights": [{"start": 0, "end": 7}],
            },
            "legs": {"dense": {"rank": 1, "score": 0.71}, "bm25": {"rank": 2, "score": 8.4}},
            "rerank": {"rank": 1, "score": 7.9},
            "matched_terms": ["revenue"],
            "highlights": [{"start": 0, "end": 7}],
            "section": None,
        }
    ],
    "legs": {"dense": 100, "bm25": 37},
    "reranker": "late interaction, all-minilm-l6-v2-2-int8",
    "notes": [],
    "timings_ms": {
        "embed": 11.2,
        "dense": 14.0,
        "bm25": 9.1,
        "ledger": 4.3,
        "passages": 2.6,
        "rerank": 180.4,
        "total": 214.5,
    },
}
COLLECTION_BODY: Example = {
    "chunking": {"strategy": "parent_child", "max_tokens": 64, "section_tokens": 512}
}
COLLECTION: Example = {
    "name": "reports",
    "chunking": {
        "strategy": "parent_child",
        "max_tokens": 64,
        "overlap_tokens": 8,
        "tables": "rows",
        "section_tokens": 512,
    },
    "default": False,
    "counts": {
        "documents": 120,
        "by_status": {"failed": 1, "indexed": 119},
        "chunks": 9_400,
        "behind": 119,
        "complete": True,
    },
    "walk": {
        "kind": "recut",
        "started_at": _TIME,
        "ended_at": None,
        "seen": 0,
        "changed": 0,
        "left": 0,
    },
    "updated_at": _TIME,
}
COLLECTION_DELETED: Example = {**COLLECTION, "walk": {**COLLECTION["walk"], "kind": "delete"}}
COLLECTIONS: Example = {"collections": ["handbook", "reports"]}
HEALTH: Example = {"status": "ok"}
INFO: Example = {
    "name": "ragline",
    "version": "0.1.0",
    "components": {
        "ledger": {"state": "ok"},
        "index": {"state": "ok", "rows": 12_408, "models": {"all-minilm-l6-v2-2-int8": 12_408}},
        "model": {
            "state": "ok",
            "fingerprint": "all-minilm-l6-v2-2-int8",
            "precision": "int8",
            "dimensions": 384,
        },
    },
    "limits": {
        "max_file_bytes": 268_435_456,
        "max_direct_upload_bytes": 4_500_000,
        "max_pages": 5_000,
        "max_chunks": 100_000,
        "max_query_characters": 2_000,
        "max_top_k": 100,
    },
}

USAGE: Example = {
    "month": "2026-01",
    "holds": {"documents": 120, "bytes": 3_110_400, "chunks": 3_400},
    "functions": [
        {
            "function": "embedder",
            "invocations": 48,
            "milliseconds": 41_200.5,
            "gb_seconds": 71.175,
            "requests": {"chunks": 3_400, "dynamodb_write_units": 7_100, "s3_writes": 130},
            "usd": 0.001196,
        }
    ],
    "costs": [{"item": "dynamodb_write_units", "quantity": 16_320, "usd": 0.0102}],
    "usd": 0.0114,
    "usd_per_chunk": 0.0000034,
    "storage": [{"item": "vectors_gigabyte_months", "quantity": 0.003, "usd": 0.000069}],
    "prices": {"as_of": "2026-11", "region": "us-east-1"},
}
WEBHOOK_BODY: Example = {
    "url": "https://example.com/hooks/ragline",
    "collections": ["reports"],
    "statuses": ["indexed", "failed"],
}
WEBHOOK: Example = {
    "webhook_id": "wh_5f2c8a1e9b7d4c3f6a0e",
    "url": "https://example.com/hooks/ragline",
    "collections": ["reports"],
    "statuses": ["failed", "indexed"],
    "created_at": _TIME,
    "disabled": None,
}
WEBHOOK_CREATED: Example = {**WEBHOOK, "secret": "whsec_…"}
WEBHOOKS: Example = {"webhooks": [WEBHOOK]}
WEBHOOK_DETAIL: Example = {
    **WEBHOOK,
    "undelivered": [
        {
            "event_id": "evt_0a1b2c3d4e5f60718293a4b5c6d7e8f9",
            "event_time": _TIME,
            "why": "it answered 500",
            "attempts": 9,
            "at": "2026-01-31T19:04:11.000Z",
        }
    ],
}
WEBHOOK_REDRIVEN: Example = {
    "webhook_id": WEBHOOK["webhook_id"],
    "events": ["evt_0a1b2c3d4e5f60718293a4b5c6d7e8f9"],
}
TICKET: Example = {"ticket": "q3Zr…", "expires_in": 60}
KEY_BODY: Example = {"name": "the website", "role": "reader", "expires_in_days": 365}
KEY: Example = {
    "key_id": "0f4e2b1c9d8a7f36",
    "name": "the website",
    "role": "reader",
    "ends_with": "x7Qe",
    "created_at": _TIME,
    "expires_at": None,
    "revoked_at": None,
}
KEY_CREATED: Example = {**KEY, "key": "rag_…x7Qe"}
KEYS: Example = {"keys": [KEY]}
