/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COVEY_VERSION_H
#define COVEY_VERSION_H
/*
 * What other programs may compile against.
 */
#define COVEY_VERSION	       "0.1.0"
#define COVEY_CONTROL_PROTOCOL 1 /* "v" of a request on the control socket */

#endif
