# SPDX-License-Identifier: Apache-2.0
include_coveydir = $(includedir)/covey
include_covey_HEADERS = %D%/covey/version.h
