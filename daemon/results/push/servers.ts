/** What is done at the servers of repositories and at forges, in one place: a simulation puts a model there. */
import { pushBranch, remoteTip } from './branch.ts'
import { openPullRequest } from './pull-request.ts'
import { fetchBranch } from './watch/commits.ts'
import { lookAtGitHub } from './watch/github.ts'

export interface Servers {
  /** Moves a branch forward from where it is expected, or makes it. */
  pushBranch: typeof pushBranch
  /** Where a branch is; null also where nobody answers. */
  remoteTip: typeof remoteTip
  /** Brings it into a repository of ours, under a name. Throws FORGE_UNAVAILABLE. */
  fetchBranch: typeof fetchBranch
  /** Finds the one that is there, or opens one. */
  openPullRequest: typeof openPullRequest
  /** What the forge shows of a pull request, for where no `[pr] command` does. */
  lookAtGitHub: typeof lookAtGitHub
}

export const servers: Servers = { pushBranch, remoteTip, fetchBranch, openPullRequest, lookAtGitHub }
