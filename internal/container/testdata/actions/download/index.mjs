import path from 'node:path'
import { DefaultArtifactClient } from '@actions/artifact'

const client = new DefaultArtifactClient()
const { artifacts } = await client.listArtifacts({ latest: true })
const { INPUT_NAME: name, INPUT_PATTERN: pattern } = process.env
const wanted = artifacts.filter((a) => (name ? a.name === name : a.name.startsWith(pattern.replace(/\*$/, ''))))
if (wanted.length === 0) throw new Error(`no artifact fits ${name || pattern}; there are ${artifacts.map((a) => a.name)}`)
for (const a of wanted) {
  await client.downloadArtifact(a.id, { path: path.resolve(process.env.GITHUB_WORKSPACE, process.env.INPUT_PATH) })
  console.log(`downloaded ${a.name}`)
}
