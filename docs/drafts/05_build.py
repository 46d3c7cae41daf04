"""Text file with '%% md id' / '%% code id [tags]' blocks -> notebook."""
import sys, re, json
src, dst = sys.argv[1], sys.argv[2]
cells=[]
cur=None
for line in open(src, encoding='utf-8'):
    m=re.match(r'^%% (md|code) (\S+)(?: (.*))?$', line.rstrip('\n'))
    if m:
        cur={'kind':m[1],'id':m[2],'tags':(m[3] or '').split(),'lines':[]}; cells.append(cur)
    else:
        cur['lines'].append(line)
out=[]
for c in cells:
    text=''.join(c['lines']).strip('\n')
    text=text.replace('\\%%','%%')
    lines=text.splitlines(keepends=True)
    cell={'cell_type':'markdown' if c['kind']=='md' else 'code','id':'ablations-'+c['id'],'metadata':{},'source':lines}
    if c['kind']=='code':
        cell['execution_count']=None; cell['outputs']=[]
        if c['tags']: cell['metadata']={'tags':c['tags']}
    out.append(cell)
nb={'cells':out,'metadata':{'kernelspec':{'display_name':'Python 3','language':'python','name':'python3'},'language_info':{'name':'python'}},'nbformat':4,'nbformat_minor':5}
json.dump(nb,open(dst,'w',encoding='utf-8'),indent=1,ensure_ascii=False); open(dst,'a').write('\n')
print(len(out),'cells')
