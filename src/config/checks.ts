/** What cannot be said of one value alone: rules over a list of nodes. Limits against each other are in limits.ts. */

interface StaticNode {
  name: string
  url: string
  ssh: string
  token: string
  token_file: string
}

interface Complaints {
  addIssue(issue: { code: 'custom'; path: (string | number)[]; params: { says: string } }): void
}

/** Each node has a name of its own, one way to reach it, and a token where that way needs one. */
export function checkStaticNodes(nodes: readonly StaticNode[], complaints: Complaints): void {
  for (const [index, node] of nodes.entries()) {
    const complain = (key: keyof StaticNode, says: string) =>
      complaints.addIssue({ code: 'custom', path: [index, key], params: { says } })
    const twin = nodes.findIndex(other => other.name === node.name)
    const called = `node "${node.name}"`
    if (node.name === 'local') complain('name', 'the name "local" belongs to this machine')
    if (twin < index) complain('name', `${called} is already there, as number ${twin + 1} of the list`)
    if (!node.url && !node.ssh) complain('url', `${called} needs url or ssh: how is it reached?`)
    if (node.url && node.ssh) complain('ssh', `${called} has both url and ssh: one of them must go`)
    if (node.token && node.token_file) complain('token', `${called} has both token and token_file: one of them must go`)
    if (node.url && !node.token && !node.token_file)
      complain('url', `${called} is reached by url and so needs its token_file`)
  }
}
