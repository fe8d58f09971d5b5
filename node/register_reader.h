/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_REGISTER_READER_H
#define NODE_REGISTER_READER_H
/*
 * What the consensus asks of values, for both kinds of them.
 */
#include "consensus/value.h"

extern const struct value_reader register_reader;

#endif
