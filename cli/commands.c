/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands. Parser, usage and help come from this table, and a test finds each row of it in covey(1): a
 * command is added here, with its handler, and nowhere else.
 */
#include "cli/cli.h"

#include <limits.h>
#include <string.h>

#define READS	OPT_BIT(OPT_JSON)
#define CHANGES (OPT_BIT(OPT_NO_WAIT) | OPT_BIT(OPT_OP))
#define VOTERS                                                                                        \
	(OPT_BIT(OPT_NUMBER) | OPT_BIT(OPT_AUTO) | OPT_BIT(OPT_SPREAD) | OPT_BIT(OPT_REPLACE_AFTER) | \
		OPT_BIT(OPT_TIMES))

const struct command commands[] = {
	{"status", "[AGENT]", 0, 1, READS, "show agents, or one agent with its replicas", NULL, cmd_status},
	{"nodes", "", 0, 0, READS, "show members, their capacity and use", NULL, cmd_nodes},
	{"top", "", 0, 0, READS, "show live use of node and replicas",
		"On a terminal it is drawn anew every 2 seconds until q or Ctrl-C; otherwise printed once.", cmd_top},
	{"apply", "FILE...", 1, INT_MAX, CHANGES | OPT_BIT(OPT_IF_VERSION) | OPT_BIT(OPT_DRY_RUN),
		"create or change agents as their files say",
		"FILE is an agent's file, a directory (its *.yaml and *.yml) or - for standard input.\n"
		"All files are checked first: if one has a fault, nothing is applied.",
		cmd_apply},
	{"check", "FILE...", 1, INT_MAX, 0, "check agents' files, without a daemon",
		"Every fault is told as FILE:LINE: KEY: what is wrong, what is allowed.", cmd_check},
	{"scale", "AGENT N", 2, 2, CHANGES, "run N replicas of an agent", NULL, cmd_scale},
	{"start", "AGENT|REPLICA", 1, 1, CHANGES, "start what was stopped or has given up", NULL, cmd_target},
	{"stop", "AGENT|REPLICA", 0, 1, CHANGES | OPT_BIT(OPT_ALL),
		"stop an agent or a replica, or with --all every agent",
		"What is stopped stays stopped over reboots until `covey start`.", cmd_target},
	{"restart", "AGENT|REPLICA", 1, 1, CHANGES, "stop and start again", NULL, cmd_target},
	{"remove", "AGENT", 1, 1, CHANGES, "stop an agent and forget its definition", NULL, cmd_remove},
	{"rollout", "status|pause|resume|undo AGENT", 2, 2, READS | CHANGES, "show or steer a change under way",
		"undo goes back to the definition before.", cmd_rollout},
	{"logs", "AGENT|REPLICA", 1, 1, READS | OPT_BIT(OPT_LINES) | OPT_BIT(OPT_FOLLOW),
		"print what a replica wrote, or all replicas of an agent",
		"All that is kept, or the last lines of each; -f goes on over rotations and restarts of the daemon,\n"
		"and begins with the last 10 lines unless -n says otherwise. Of several replicas the lines are in the\n"
		"order of their times, each behind its replica's name.",
		cmd_logs},
	{"events", "", 0, 0, READS | OPT_BIT(OPT_FOLLOW) | OPT_BIT(OPT_AGENT) | OPT_BIT(OPT_SINCE) | OPT_BIT(OPT_AFTER),
		"print what happened and why",
		"With -f it begins with the last 10, unless --since or --after says otherwise.", cmd_events},
	{"explain", "AGENT", 1, 1, READS, "say why an agent is as it is, with the last decisions", NULL, cmd_explain},
	{"profile", "AGENT", 1, 1, READS, "print the seccomp profile learned so far, ready to paste", NULL,
		cmd_profile},
	{"reload", "", 0, 0, READS, "have the daemon read its agents_dir again",
		"If a file has a fault, every fault is told and nothing of agents_dir is taken.", cmd_reload},
	{"drain", "NODE", 1, 1, CHANGES, "move a node's work away, for maintenance", NULL, cmd_node},
	{"undrain", "NODE", 1, 1, CHANGES, "let a drained node have work again", NULL, cmd_node},
	{"forget", "NODE", 1, 1, CHANGES, "tell the others that a dead node will not come back", NULL, cmd_node},
	{"init", "", 0, 0, CHANGES, "found a cluster on this node", NULL, cmd_cluster},
	{"leave", "", 0, 0, CHANGES, "take this node out of its cluster", NULL, cmd_cluster},
	{"reset", "", 0, 0, CHANGES | OPT_BIT(OPT_FORCE), "empty this node's data_dir",
		"Refused while agents are defined or other members are there. Asks on a terminal.", cmd_reset},
	{"voters", "", 0, 0, READS | CHANGES | VOTERS, "show which nodes vote, or change how many are to",
		"Which of the nodes these are is found by itself: alive, spread, and one change at a time.",
		cmd_voters},
	{"recover", "", 0, 0,
		CHANGES | OPT_BIT(OPT_FORCE) | OPT_BIT(OPT_CLUSTER) | OPT_BIT(OPT_HOSTS_ARE_OFF) | OPT_BIT(OPT_DRY_RUN),
		"go on although the majority of the voters is lost",
		"Needs --force: what only the lost voters have acknowledged is lost. Says who is given up, and asks\n"
		"for the cluster's name. Waits 74 seconds for leases that the lost may have granted, unless their\n"
		"hosts are off. --dry-run only says who would be given up.",
		cmd_recover},
	{"pki", "init | issue NODE | sign CSR", 1, 2, OPT_BIT(OPT_DIR) | OPT_BIT(OPT_FORCE),
		"make the cluster's CA, and certificates of nodes",
		"No daemon is needed. init makes ca.pem and ca.key; issue makes NODE.pem and NODE.key; sign makes\n"
		"NODE.pem for a request whose common name is NODE. --force overwrites what is there.",
		cmd_pki},
	{"backup", "FILE", 1, 1, 0, "copy the store, consistently, to a file of the daemon's host", NULL, cmd_backup},
	{"restore", "FILE", 1, 1, CHANGES, "take the store from a backup", NULL, cmd_restore},
	{"version", "", 0, 0, READS, "print versions, build options and libraries", NULL, cmd_version},
	{"help", "[COMMAND]", 0, 1, 0, "say what a command does", NULL, cmd_help},
};
const size_t n_commands = ARRAY_LEN(commands);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < n_commands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}
