import { html, nothing, type TemplateResult } from 'lit';
import { count } from '../../../core/format.ts';
import type { Group, Problem } from '../../../core/site/reading.ts';
import type { Folder, SiteState } from '../../../core/site/site-controller.ts';
import { countClasses, type Sample, SHARES } from '../../../core/site/split.ts';
import { icon } from '../icons.ts';

const PROBLEMS_SHOWN = 50;

export interface FolderActions {
  pickFolder: () => void;
  pickFiles: () => void;
  drop: (event: DragEvent) => void;
  drag: (event: DragEvent) => void;
  assign: (group: Group, label: number) => void;
  holdOut: (share: number) => void;
  encode: () => void;
  putAway: () => void;
}

/** The place for a folder. */
export function folderDrop(
  classes: string[],
  dragging: boolean,
  busy: boolean,
  actions: FolderActions,
): TemplateResult {
  return html`
    <div
      class="drop ${dragging ? 'over' : ''}"
      @dragenter=${actions.drag}
      @dragover=${actions.drag}
      @dragleave=${actions.drag}
      @drop=${actions.drop}
    >
      <span class="drop-icon">${icon('image')}</span>
      <p class="drop-title">Drop a folder of labelled images here</p>
      <p class="muted">
        One sub-folder for each class (${classes.join(', ')}), or any folders with a CSV of the columns <code>file</code> and
        <code>label</code>. PNG or JPEG.
      </p>
      <div class="row centred">
        <button class="primary" id="pick-folder" ?disabled=${busy} @click=${actions.pickFolder}>Choose a folder</button>
        <button id="pick-files" ?disabled=${busy} @click=${actions.pickFiles}>Choose files and a CSV</button>
      </div>
      <p class="assurance">${icon('lock')} The images never leave this device.</p>
    </div>
  `;
}

const groupRow = (group: Group, classes: string[], actions: FolderActions): TemplateResult => html`
  <tr>
    <th scope="row">${group.name}</th>
    <td class="number">${count(group.pictures.length)}</td>
    <td>
      <select
        aria-label=${`Class of ${group.name}`}
        @change=${(event: Event) => actions.assign(group, Number((event.target as HTMLSelectElement).value))}
      >
        <option value="-1" ?selected=${group.label < 0}>Leave out</option>
        ${classes.map((name, i) => html`<option value=${i} ?selected=${group.label === i}>${name}</option>`)}
      </select>
    </td>
  </tr>
`;

function groupsView(folder: Folder, classes: string[], actions: FolderActions): TemplateResult {
  const byFolder = folder.source === 'folders';
  return html`
    <table class="table">
      <caption>${byFolder ? 'What each folder stands for' : `What each label of ${folder.source} stands for`}</caption>
      <thead>
        <tr><th scope="col">${byFolder ? 'Folder' : 'Label'}</th><th scope="col" class="number">Images</th><th scope="col">Class</th></tr>
      </thead>
      <tbody>${folder.groups.map((group) => groupRow(group, classes, actions))}</tbody>
    </table>
  `;
}

function classesView(samples: Sample[], classes: string[]): TemplateResult {
  const counts = countClasses(samples, classes.length);
  return html`
    <table class="table" id="class-counts">
      <caption>What will be counted</caption>
      <thead>
        <tr><th scope="col">Class</th><th scope="col" class="number">Contributed</th><th scope="col" class="number">Held out</th></tr>
      </thead>
      <tbody>
        ${counts.map(
          ({ images, heldOut }, i) => html`
            <tr data-class=${classes[i] ?? ''}>
              <th scope="row">${classes[i]}</th>
              <td class="number">${count(images - heldOut)}</td>
              <td class="number">${count(heldOut)}</td>
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}

/** Files that are not taken, each with its reason. */
export function problemsView(problems: Problem[]): TemplateResult | typeof nothing {
  if (problems.length === 0) return nothing;
  const more = problems.length - PROBLEMS_SHOWN;
  return html`
    <details class="problems" id="problems">
      <summary>${count(problems.length)} ${problems.length === 1 ? 'file is' : 'files are'} not taken</summary>
      <ul>
        ${problems.slice(0, PROBLEMS_SHOWN).map(({ path, reason }) => html`<li><code>${path}</code> ${reason}</li>`)}
        ${more > 0 ? html`<li>and ${count(more)} more</li>` : nothing}
      </ul>
    </details>
  `;
}

/** The chosen folder: what each part of it stands for, how much is held out, and the button that encodes. */
export function folderView(
  state: SiteState,
  folder: Folder,
  samples: Sample[],
  actions: FolderActions,
): TemplateResult {
  const classes = state.view?.consortium.classes ?? [];
  const contributed = samples.filter(({ heldOut }) => !heldOut).length;
  const busy = state.work !== null;
  return html`
    <div class="two">${groupsView(folder, classes, actions)} ${classesView(samples, classes)}</div>
    ${problemsView(folder.problems)}
    <label class="field">
      <span>Held out, to compare the heads on</span>
      <select id="share" ?disabled=${busy} @change=${(e: Event) => actions.holdOut(Number((e.target as HTMLSelectElement).value))}>
        ${SHARES.map((share) => html`<option value=${share} ?selected=${share === state.share}>${share * 100} %</option>`)}
      </select>
    </label>
    <p class="muted small">
      The hold-out is never contributed. It is chosen by the SHA-256 of each file: the same folder gives the same hold-out, whatever the order.
    </p>
    <div class="row">
      <button class="primary" id="encode" ?disabled=${busy || contributed === 0} @click=${actions.encode}>
        ${icon('chip')} Encode ${count(samples.length)} images here
      </button>
      <button id="put-away" ?disabled=${busy} @click=${actions.putAway}>Another folder</button>
    </div>
  `;
}
