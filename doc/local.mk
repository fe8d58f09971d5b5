# SPDX-License-Identifier: Apache-2.0
dist_doc_DATA += %D%/ARCHITECTURE.md
dist_doc_DATA += %D%/BENCHMARKS.md
dist_doc_DATA += %D%/METRICS.md
dist_doc_DATA += %D%/OPERATIONS.md
dist_doc_DATA += %D%/PROTOCOL.md
dist_doc_DATA += %D%/TESTING.md
dist_doc_DATA += README.md
