# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += %D%/covey-agent.yaml.5
dist_man_MANS += %D%/covey.1
dist_man_MANS += %D%/covey.profile.5
dist_man_MANS += %D%/coveyd.8
dist_man_MANS += %D%/coveyd.yaml.5
