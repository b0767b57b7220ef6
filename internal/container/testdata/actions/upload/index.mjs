import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { DefaultArtifactClient } from '@actions/artifact'

const at = path.resolve(process.env.GITHUB_WORKSPACE, process.env.INPUT_PATH)
const folder = statSync(at).isDirectory()
const files = folder
  ? readdirSync(at, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).map((e) => path.join(e.parentPath ?? e.path, e.name))
  : [at]
if (files.length === 0) throw new Error(`no files in ${at}`)
const { id, size } = await new DefaultArtifactClient().uploadArtifact(process.env.INPUT_NAME, files, folder ? at : path.dirname(at))
console.log(`uploaded ${process.env.INPUT_NAME}: ${files.length} files, ${size} bytes, id ${id}`)
