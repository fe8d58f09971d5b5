/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H
/*
 * Every bound of the daemon in one place. What is full says so, and each of these has a test that fills it.
 */
/* clang-format off: a new bound must not move all the others */
#define NAME_MAX_LEN	    63	  /* an agent's, node's, port's or label's name, without the NUL */
#define REPLICA_ID_MAX	    160	  /* "node/agent.slot" with its NUL */
#define AGENTS_MAX	    10000 /* agents a node holds, all scopes together */
#define REPLICAS_MAX	    10000 /* replicas of one agent, and of one node */
#define COMMAND_ARGS_MAX    256
#define ENV_MAX		    256
#define PORTS_MAX	    32
#define LABELS_MAX	    64
#define DEPENDS_MAX	    64
#define PATHS_MAX	    64	 /* read_only and writable together */
#define SYSCALLS_MAX	    512	 /* names in one profile */
#define STRING_MAX	    4096 /* one string in a file of ours */
#define AGENT_FILE_MAX	    (256 * 1024)
#define CONFIG_FILE_MAX	    (256 * 1024)
#define FAULTS_MAX	    100 /* told of one file; "… and more" after that */
#define YAML_DEPTH_MAX	    16
#define YAML_EVENTS_MAX	    20000
#define CONTROL_FRAME_MAX   (16 * 1024 * 1024) /* a request or reply on the control socket */
#define CONTROL_WAITERS_MAX 256		       /* requests that wait for something */
#define CONTROL_PEERS_MAX   512
#define HTTP_REPLY_MAX	    (32 * 1024 * 1024) /* some 1600 bytes a replica */
#define HTTP_WAITING_MAX    64
#define TRANSPORT_FRAME_MAX 4096  /* a message between nodes */
#define TRANSPORT_RUN_MAX   16384 /* frames that leave together: a heartbeat waits behind no more than two such runs */
#define TRANSPORT_LINKS_MAX 256	  /* links, dials and peers that have not said hello, together */
#define TRANSPORT_DIALS_MAX 64	  /* at a time */
#define LINK_IN_FLIGHT_MAX  2	  /* frames, or runs of them, a link that have not left */
#define FETCH_MAX	    64	  /* questions to other nodes at a time, and as many of theirs */
#define FETCH_PEER_MAX	    8	  /* of these to one of them, or of one of them */
#define FETCH_WINDOW	    8	  /* pieces of an answer that were sent and not taken */
#define FETCH_ANSWER_MAX    (1024 * 1024)
#define FETCH_HELD_MAX	    (16 * 1024 * 1024) /* of all answers that have not left */
#define PARCEL_SMALL_MAX    (256 * 1024)       /* register messages of one frame that wait for a link */
#define PARCEL_LARGE_MAX    (4 * 1024 * 1024)  /* those that take several */
#define PARCEL_HELD_MAX	    (32 * 1024 * 1024) /* of all links, both ways */
#define SHIM_FRAME_MAX	    (128 * 1024)       /* a message between daemon and shim */
#define SHIM_LABEL_MAX	    512		       /* what a shim keeps for the daemon, opaque to it */
#define SHIM_WHY_TEXT_MAX   160
#define SHIM_STATUS_MAX	    128		/* STATUS= of sd_notify */
#define LOG_LINE_MAX	    (64 * 1024) /* a longer line of an agent is cut in pieces */
#define PROBE_REPLY_MAX	    4096	/* bytes of a probe's answer that are read */
#define EVENTS_KEPT_MAX	    10000	/* events kept on disk, oldest dropped */
#define EVENT_TEXT_MAX	    256
#define STORE_QUEUE_MAX	    8192	       /* jobs waiting for the storage thread, groups aside */
#define STORE_GROUP_MAX	    32768	       /* those of groups: a change writes a row an agent and one a replica */
#define STORE_BYTES_MAX	    (64 * 1024 * 1024) /* the content of both together */
#define STARTING_MAX	    64		       /* replicas being started at one time */
#define OP_ID_MAX	    64
#define OPS_MAX		    512		      /* changes whose ids are remembered */
#define OPS_BYTES_MAX	    (4 * 1024 * 1024) /* and their answers, but for the last */
#define MP_DEPTH_MAX	    32		      /* nesting of a msgpack value; msgpack-c takes no more */
#define MP_OBJECTS_MAX	    (2 * 1024 * 1024) /* values in one frame: 24 bytes each once read */

#endif
